"""Everything else: runs that diverged, failed or never ended, the list of all runs, and what the page left out."""

from collections.abc import Sequence

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.damage import damaged_sentence, retrain_command
from gatelab.report.sections.parts import Absent, Block, Code, Section, Tabular, Text
from gatelab.report.sections.wording import counted, rounded
from gatelab.report.tables import Column, Table, plain

__all__ = ["leftovers", "without_score"]


def leftovers(analysis: Analysis, absent: Sequence[Absent], runs: Table) -> Section:
    """Return the section; ``runs`` is the table of all runs."""
    evidence = analysis.evidence
    blocks: list[Block] = []
    table = without_score(analysis)
    if table.rows:
        caption = (
            "Runs without a score: diverged ones are results and stay, failed ones are tried again by the next sweep."
        )
        blocks.append(Tabular("without-score", caption, table))
    else:
        blocks.append(Text.of("No run diverged, and none failed."))
    if evidence.unfinished:
        blocks.append(
            Text.of(f"Begun and not ended, so in no number: {counted(len(evidence.unfinished), 'run')} (of any task).")
        )
        blocks.append(Code("Their identities", "\n".join(evidence.unfinished), folded=True))
    if evidence.damaged:
        blocks.append(Text.of(f"{damaged_sentence(len(evidence.damaged))} This command trains them again:"))
        blocks.append(Code("The command", retrain_command(evidence.place)))
        blocks.append(Code("What is damaged", "\n".join(map(str, evidence.damaged)), folded=True))
    blocks.append(Tabular("runs", f"All {counted(len(runs.rows), 'run')} that came to an end.", runs, folded=True))
    if absent:
        blocks.append(Text.of("These runs have nothing to show for:"))
        blocks.append(Text(tuple(f"{part.title}: {part.reason}." for part in absent), "absent"))
    return Section("rest", "Everything else", tuple(blocks))


def without_score(analysis: Analysis) -> Table:
    """Return a row for each run that diverged or failed, with the reason."""
    columns = [
        Column("run", ("identity",)),
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("setting", ("setting",), rounded),
        Column("seed", ("seed",), plain, "right"),
        Column("status", ("status",)),
        Column("why", ("why",)),
    ]
    rows: list[dict[str, object]] = [
        {
            "identity": run.result.identity,
            "task": run.result.task,
            "variant": run.result.label,
            "setting": run.setting,
            "seed": run.result.seed,
            "status": "diverged",
            "why": f"a number stopped being finite at step {run.result.diverged_at}",
        }
        for run in analysis.evidence.runs
        if not run.finished
    ]
    rows += [
        {
            "identity": failed.identity,
            "task": failed.task,
            "variant": failed.label,
            "setting": "",
            "seed": failed.seed,
            "status": "failed",
            "why": failed.reason,
        }
        for failed in analysis.evidence.failed
    ]
    return Table(columns, rows)
