"""One test of many small cases, for which a test each would cost more than the check itself."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any


def for_each(parameter: str, cases: Iterable[Any]) -> Callable[[Callable[..., None]], Any]:
    """Let a test run its body for each case; a failure names its case in a note."""
    listed = list(cases)
    assert listed, f"no {parameter} to try"

    def decorate(check: Callable[..., None]) -> Any:
        def test(**fixtures: Any) -> None:
            for case in listed:
                try:
                    check(**{parameter: case}, **fixtures)
                except BaseException as error:
                    error.add_note(f"{parameter}: {case}")
                    raise

        signature = inspect.signature(check)
        kept = [one for name, one in signature.parameters.items() if name != parameter]
        test.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        test.__name__, test.__doc__ = check.__name__, check.__doc__
        test.__module__ = check.__module__
        return test

    return decorate
