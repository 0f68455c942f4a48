"""Words for the emissions that the factors of an intensity include: one wording everywhere."""


def words_of_factor(factor: str | None) -> str:
    """Return the words for `direct`, `life-cycle`, or anything else as not stated."""
    return {
        "direct": "direct emissions",
        "life-cycle": "life-cycle emissions",
    }.get(factor or "", "direct or life-cycle is not stated")
