"""Efficiency: which runs were worth it?"""

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit, Query, stat

_IN = '{namespace=~"$namespace"}'
_NAME = "{{namespace}}/{{trainingjob}}"


def _ranking(title: str, description: str, unit: PanelUnit, expression: str) -> Panel:
    return Panel(
        title=title,
        description=description,
        kind=PanelKind.BARS,
        unit=unit,
        width=8,
        links_to_job=True,
        queries=(Query(expression, _NAME),),
    )


EFFICIENCY = Dashboard(
    uid="lowtide-efficiency",
    title="Lowtide / Efficiency",
    question="Which runs were worth it?",
    variables=("namespace",),
    panels=(
        stat(
            "Measured jobs",
            "TrainingJobs whose energy is known.",
            PanelUnit.COUNT,
            Query(f"count(lowtide_trainingjob_energy_joules{_IN})"),
            width=4,
        ),
        stat(
            "Best accuracy",
            "Among the jobs shown.",
            PanelUnit.RATIO,
            Query(f"max(lowtide_trainingjob_accuracy_ratio{_IN})"),
            width=4,
        ),
        stat(
            "Least energy",
            "Among the jobs shown.",
            PanelUnit.JOULES,
            Query(f"min(lowtide_trainingjob_energy_joules{_IN})"),
            width=4,
        ),
        stat(
            "Share avoided",
            "Avoided over what running at submission would have emitted.",
            PanelUnit.RATIO,
            Query(
                f"sum(lowtide_trainingjobs_avoided_grams{_IN})"
                f" / (sum(lowtide_trainingjobs_run_now_grams{_IN}) > 0)"
            ),
            width=4,
        ),
        stat(
            "Reached of what was possible",
            "Mean share of the best possible saving, of jobs whose deadline has passed.",
            PanelUnit.RATIO,
            Query(f"avg(lowtide_trainingjob_reach_ratio{_IN})"),
            width=4,
        ),
        stat(
            "Rated jobs",
            "Jobs with a letter against their reference set.",
            PanelUnit.COUNT,
            Query(f"count(lowtide_trainingjob_rating_letter{_IN}) or vector(0)"),
            width=4,
        ),
        _ranking(
            "SCI, lowest first",
            "Grams per functional unit; compare only jobs with the same unit.",
            PanelUnit.GRAMS,
            f"bottomk(15, lowtide_trainingjob_sci_grams_per_unit{_IN})",
        ),
        _ranking(
            "SAM, highest first",
            "Accuracy weighed against energy, with each job's own parameters.",
            PanelUnit.NONE,
            f"topk(15, lowtide_trainingjob_sam{_IN})",
        ),
        _ranking(
            "APC, highest first",
            "Accuracy per consumption, with each job's own parameters.",
            PanelUnit.NONE,
            f"topk(15, lowtide_trainingjob_apc{_IN})",
        ),
        Panel(
            title="Ratings",
            description="Compound letter of each rated job: 0 is A, 4 is E.",
            kind=PanelKind.BARS,
            unit=PanelUnit.NONE,
            width=24,
            height=6,
            links_to_job=True,
            queries=(Query(f"bottomk(15, lowtide_trainingjob_rating_letter{_IN})", _NAME),),
        ),
        Panel(
            title="Accuracy and energy",
            description="High accuracy at little energy is what to look for.",
            kind=PanelKind.TABLE,
            unit=PanelUnit.NONE,
            width=24,
            links_to_job=True,
            queries=(
                Query(f"lowtide_trainingjob_accuracy_ratio{_IN}", "accuracy"),
                Query(f"lowtide_trainingjob_energy_joules{_IN}", "energy, J"),
                Query(f"lowtide_trainingjob_sci_grams_per_unit{_IN}", "SCI, g"),
                Query(f"lowtide_trainingjob_avoided_grams{_IN}", "avoided, g"),
            ),
        ),
    ),
)
