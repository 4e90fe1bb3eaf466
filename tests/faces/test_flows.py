"""Every command on the demonstration: what it does, and that its JSON parses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook

from pilots.__main__ import pilots
from pilots.commands import COMMANDS
from pilots.demonstration import example_files

ABOUT = ("--collection", "ehcp_process", "--region", "North East", "--period", "2024/25 summer")
REFERENCE = "EHCP-PROCESS-E12000001-2024-25-SUMMER-v1"

Speak = Callable[..., Any]


@pytest.fixture
def run(demonstration_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command on a copy of the demonstration."""
    monkeypatch.setenv("PILOTS_DATABASE_URL", demonstration_url)
    monkeypatch.setenv("COLUMNS", "120")  # one width of tables, wherever the tests run
    return lambda *typed: CliRunner().invoke(pilots, list(typed), catch_exceptions=False)


@pytest.fixture
def speak(run: Callable[..., Result]) -> Speak:
    """Run a command with --json and read what it says; it must end well, or as said."""

    def answer(*typed: str, code: int = 0) -> Any:
        result = run(*typed, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return answer


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The example files on disk: with faults, corrected, and the corrected one without its last authority, which is a query."""
    paths, made = {}, example_files()
    made["incomplete"] = made["corrected"].rstrip().rpartition(b"\n")[0] + b"\n"
    for name, content in made.items():
        paths[name] = str(tmp_path / f"{name.replace(' ', '-')}.csv")
        Path(paths[name]).write_bytes(content)
    return paths


@pytest.mark.parametrize(
    "typed",
    [
        ["accounts", "list"],
        ["audit", "list"],
        ["audit", "verify"],
        ["overview"],
        ["demonstration"],
        ["returns"],
        ["returns", "due"],
        ["returns", "due", "--everything", "--collection", "ap_tiers", "--as", "lead-E12000007"],
        ["returns", "more-time"],
        ["returns", "history", "EHCP-PROCESS-E12000005-2024-25-AUTUMN-v1"],
        ["returns", "--region", "London", "--collection", "ap_tiers", "--period", "2023/24 autumn"],
        ["findings", "EHCP-PROCESS-E12000005-2024-25-AUTUMN-v2"],
        ["guide", "ap_tiers"],
        ["spells"],
        ["spells", "--reform", "tailored_lists"],
        ["neighbours", "County Durham"],
        ["vintages"],
        ["releases"],
        ["plans"],
        ["runs"],
    ],
    ids=" ".join,
)
def test_looking_changes_nothing_and_speaks_both_ways(run: Callable[..., Result], speak: Speak, typed: list[str]) -> None:
    first = speak(*typed)
    text = run(*typed)
    assert text.exit_code == 0 and text.stdout.strip() and not text.stdout.lstrip().startswith(("{", "["))
    assert speak(*typed) == first


def test_a_return_is_checked_refused_corrected_submitted_signed_and_accepted(
    run: Callable[..., Result], speak: Speak, files: dict[str, str]
) -> None:
    report = speak("check", files["with faults"], *ABOUT, code=1)
    errors = [one for one in report["findings"] if one["severity"] == "error"]
    assert {one["rule"] for one in errors} >= {"types.below_sign", "values.unknown_authority"} and len(errors) == 3
    assert all(one["row"] and one["column"] and one["value"] and one["message"] and one["fix"] for one in errors)
    told = run("check", files["with faults"], *ABOUT)
    assert told.exit_code == 1
    heading = next(line for line in told.stdout.splitlines() if line.startswith("Kind"))
    assert all(word in heading for word in ("Row", "Column", "Value", "Rule", "What is wrong", "How to put it"))
    refused = speak("submit", files["with faults"], *ABOUT, code=1)
    assert "3 errors" in refused["error"] and len(refused["report"]["findings"]) == len(report["findings"])

    queries = {one["rule"] for one in speak("check", files["incomplete"], *ABOUT)["findings"] if one["severity"] == "query"}
    assert "rows.missing_authority" in queries
    unexplained = speak("submit", files["incomplete"], *ABOUT, code=1)
    assert "Explain each query" in unexplained["error"]
    why = [part for rule in sorted(queries) for part in ("--explain", f"{rule}=Late")]
    receipt = speak("submit", files["incomplete"], *ABOUT, *why, "--as", "lead-E12000001")
    assert (receipt["reference"], receipt["status"], receipt["submitted_by"]) == (REFERENCE, "submitted", "lead-E12000001")
    assert {one["explanation"] for one in speak("findings", REFERENCE) if one["severity"] == "query"} == {"Late"}
    assert "cannot sign off a return" in speak("returns", "sign", REFERENCE, "--as", "lead-E12000001", code=1)["error"]

    def through(reference: str) -> str:
        assert speak("returns", "sign", reference, "--as", "approver-E12000001")["status"] == "signed_off"
        return str(speak("returns", "accept", reference, "--as", "evaluator")["status"])

    assert through(REFERENCE) == "accepted"
    assert "give a reason" in speak("submit", files["corrected"], *ABOUT, code=1)["error"]
    second = speak("submit", files["corrected"], *ABOUT, "--reason", "The last authority has sent its figures.")
    assert (second["version"], second["supersedes"]) == (2, REFERENCE)

    def statuses() -> tuple[str, str]:
        listed = {one["reference"]: one["status"] for one in speak("returns", "--region", "E12000001")}
        return listed[REFERENCE], listed[second["reference"]]

    assert statuses() == ("accepted", "submitted"), "the version that was accepted counts until the next one is"
    through(second["reference"])
    assert statuses() == ("superseded", "accepted")


def test_the_other_steps_of_a_return(speak: Speak, files: dict[str, str]) -> None:
    lead = ("--as", "lead-E12000001")
    speak("submit", files["corrected"], *ABOUT, *lead)
    back = speak("returns", "send-back", REFERENCE, "--reason", "Too old.", "--as", "approver-E12000001")
    assert (back["status"], back["status_reason"]) == ("returned", "Too old.")
    assert speak("returns", "withdraw", REFERENCE, "--reason", "All wrong.", *lead)["status"] == "withdrawn"
    nil = speak("returns", "nil", *ABOUT, "--reason", "No figures at all.", *lead)
    assert (nil["version"], nil["nil_reason"], nil["rows"]) == (2, "No figures at all.", 0)
    assert [one["state"] for one in speak("returns", "history", REFERENCE)] == ["submitted", "returned", "withdrawn"]
    asked = speak("returns", "extend", *ABOUT, "--until", "2099-01-31", "--reason", "A new system.", *lead)
    refused = speak("returns", "decide", asked["reference"], "--grant", *lead, code=1)
    assert "cannot decide on more time" in refused["error"]
    assert speak("returns", "decide", asked["reference"], "--grant", "--as", "evaluator")["granted"] is True
    (due,) = [one for one in speak("returns", "due", "--region", "North East") if one["reference"] == nil["reference"]]
    assert (due["state"], due["owner"], due["due"], due["nil"]) == ("submitted", "approver", "2099-01-31", True)
    assert due in speak("returns", "due", "--mine", "--as", "approver-E12000001")


def test_queries_are_explained_before_the_file_is_submitted(speak: Speak, files: dict[str, str]) -> None:
    check = speak("check", files["incomplete"], *ABOUT)["check"]
    (query,) = speak("returns", "explain", check)
    assert (query["rule"], query["explanation"], query["offered"]) == ("rows.missing_authority", None, None)
    (said,) = speak("returns", "explain", check, "--explain", "rows.missing_authority=It has sent nothing.")
    assert said["explanation"] == "It has sent nothing."
    assert speak("submit", files["incomplete"], *ABOUT)["explanations"] == {"rows.missing_authority": "It has sent nothing."}


def test_a_template_has_the_keys_of_the_last_return_and_never_writes_over_a_file(speak: Speak, tmp_path: Path) -> None:
    path = str(tmp_path / "autumn.xlsx")
    about = ("ap_tiers", "North East", "2025/26 autumn")
    made = speak("template", *about, path, "--as", "lead-E12000001")
    assert made["rows"] == 36 and load_workbook(path).sheetnames == ["Return", "Guide", "Lists", "_contract"]
    assert "is there already" in speak("template", *about, path, code=1)["error"]
    as_csv = tmp_path / "autumn.csv"
    assert speak("template", *about, str(as_csv))["rows"] == 36
    assert as_csv.read_text(encoding="utf-8-sig").splitlines()[1].startswith("E06000001,2025/26 autumn,1,,")
    refused = speak("template", *about, str(tmp_path / "other.xlsx"), "--as", "lead-E12000007", code=1)
    assert "for region E12000001" in refused["error"]
    country = speak("template", "reform_register", "-", "-", str(tmp_path / "register.xlsx"))
    assert (country["region"], country["rows"]) == ("", 0)


def test_a_file_comes_back_marked_corrected_and_compared(
    run: Callable[..., Result], speak: Speak, files: dict[str, str], tmp_path: Path
) -> None:
    marked, listed = tmp_path / "marked.xlsx", tmp_path / "findings.csv"
    report = speak("check", files["with faults"], *ABOUT, "--annotated", str(marked), "--findings", str(listed), code=1)
    book = load_workbook(marked)
    assert book["Findings"].max_row == 5 + len(report["findings"])
    first = report["findings"][0]
    assert first["message"] in book["Return"][first["cell"]].comment.text
    assert listed.read_text(encoding="utf-8-sig").count("\n") == 1 + len(report["findings"])
    assert "is there already" in run("check", files["with faults"], *ABOUT, "--findings", str(listed)).stderr

    named = tmp_path / "named.csv"
    named.write_bytes(Path(files["corrected"]).read_bytes().replace(b"E06000001", b"Hartlepool"))
    text = run("check", str(named), *ABOUT).stdout
    assert "Corrections on offer: 1" in text and "--accept-corrections values.name_for_code" in text
    accept = ("--accept-corrections", "values.name_for_code")
    done = speak("check", str(named), *ABOUT, *accept, "--compare")
    assert [one["after"] for one in done["corrections"]["made"]] == ["E06000001"]
    assert done["comparison"]["version"] is None and done["comparison"]["last"]["period"] == "2024/25 spring"
    told = " ".join(run("check", str(named), *ABOUT, *accept, "--compare").stdout.split())
    for words in ("Corrections accepted: 1", "Beside EHCP-PROCESS", "Figures as evaluators will see them", "Who has given what"):
        assert words in told
    assert "not on offer" in speak("check", str(named), *ABOUT, "--accept-corrections", "nonsense", code=1)["error"]
    why = [part for one in done["findings"] if one["severity"] == "query" for part in ("--explain", f"{one['key']}=Right")]
    for reference, ending in ((done["check"], "xlsx"), (done["check"], "csv")):
        written = speak("returns", "corrected", reference, str(tmp_path / f"as-corrected.{ending}"))
        assert [(one["before"], one["after"]) for one in written["corrections"]] == [("Hartlepool", "E06000001")]
        assert speak("check", written["file"], *ABOUT)["corrections"] == {"made": [], "offered": []}
    assert REFERENCE not in str(speak("returns")), "a corrected table that is written is not submitted"
    receipt = speak("submit", str(named), *ABOUT, *accept, *why)
    assert receipt["corrections"] == 1
    told = run("returns", "corrected", receipt["reference"], str(tmp_path / "again.csv")).stdout
    assert "with 1 correction made" in told and "Became" in told and "Hartlepool" in told
    plain = speak("submit", files["corrected"], *ABOUT, *why, "--reason", "Without names.")
    assert (
        "No correction was accepted"
        in speak("returns", "corrected", plain["reference"], str(tmp_path / "no.csv"), code=1)["error"]
    )
    beside = speak("compare", receipt["reference"])
    assert beside["last"] == done["comparison"]["last"] and run("compare", receipt["reference"]).exit_code == 0


def test_a_lead_cannot_send_for_another_region(speak: Speak, files: dict[str, str]) -> None:
    refused = speak("check", files["corrected"], *ABOUT, "--as", "lead-E12000007", code=1)
    assert "for region E12000001" in refused["error"]


def test_from_release_and_plan_to_a_run_that_can_be_had_again(run: Callable[..., Result], speak: Speak, tmp_path: Path) -> None:
    release = speak("release", "--name", "Second")
    assert [one["name"] for one in speak("releases")][0] == "Second"
    assert release["digest"] == speak("releases")[1]["digest"], "the same data under another name have the same digest"
    made = speak("evaluate", "mediation", "--release", "Second", "--as", "evaluator")
    assert made["release"]["name"] == "Second" and made["synthetic"] is True
    assert speak("show", made["run_id"]) == made
    assert speak("runs")[0]["run_id"] == made["run_id"]
    again = speak("rerun", made["run_id"])
    assert again["same"] is True and again["results_digest"] == made["results_digest"]

    text = run("show", made["run_id"]).stdout
    verdict = made["questions"][0]["verdict"]["words"]
    for words in (verdict, "Synthetic data", "The true effect in the demonstration", made["plan_digest"]):
        assert words in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 120

    plan = next(one for one in speak("plans") if one["plan"] == "mediation")
    path = tmp_path / "own.yaml"
    path.write_text(plan["text"].replace('version: "1"', 'version: "2"'), encoding="utf-8")
    assert speak("plan-register", str(path))["version"] == "2"
    assert speak("evaluate", str(path))["plan"] == {"plan": "mediation", "version": "2"}


def test_an_unknown_plan_lists_those_there_are(speak: Speak) -> None:
    assert "ehcp_timeliness" in speak("evaluate", "no_such_plan", code=1)["error"]


def test_the_register_is_sent_again_with_a_reason(speak: Speak, tmp_path: Path, register_csv: Callable[..., bytes]) -> None:
    path = tmp_path / "register.csv"
    path.write_bytes(register_csv("E06000001,fair_access,2024-09-01,,2,0.5,"))
    refused = speak("register", str(path), code=1)
    assert "Explain each query" in refused["error"], "the spells that it leaves out are asked for"
    receipt = speak("register", str(path), "--reason", "A trial", "--explain", "history.spell_left_out=A trial")
    assert (receipt["version"], receipt["status"]) == (2, "accepted")
    assert [one["authority"] for one in speak("spells", "--reform", "fair_access")] == ["E06000001"]


def test_a_run_of_the_demonstration_goes_away_as_a_bundle_and_comes_out_the_same(speak: Speak, tmp_path: Path) -> None:
    runs = {one["plan"]["plan"]: one["run_id"] for one in speak("runs")}
    folder = str(tmp_path / "bundle")
    speak("bundle", runs["mediation"], "--out", folder)
    assert (tmp_path / "bundle" / "README.md").is_file()
    again = speak("rerun", folder)
    assert again["same"] and not again["differences"]


def test_a_backup_is_written_checked_and_not_restored_over_a_store(
    run: Callable[..., Result], speak: Speak, tmp_path: Path
) -> None:
    path = str(tmp_path / "copy.zip")
    speak("backup", path)
    speak("restore", path, "--check")
    refused = run("restore", path)
    assert refused.exit_code != 0 and "empty" in refused.output


def test_vintages_that_are_not_there_are_not_compared(command: Callable[..., Result]) -> None:
    refused = command("published", "compare", "EES-0001", "EES-0002")
    assert refused.exit_code == 1 and "EES-0001" in refused.stderr


def test_published_data_are_imported_and_a_release_is_made_for_the_first_evaluation(
    shared: Path, database: str, command: Callable[..., Result]
) -> None:
    path = str(shared / "data" / "ees_zips" / "education-health-and-care-plans_2025.zip")
    imported = json.loads(command("import-ees", path, "--json").stdout)
    assert imported["reference"] == "EES-0001" and imported["values"] > 30_000
    again = command("import-ees", path).stdout
    assert "Nothing was changed" in " ".join(again.split()) and "Authorities without figures" in again and "Leicester" in again
    assert [one["reference"] for one in json.loads(command("vintages", "--json").stdout)] == ["EES-0001"]
    first = command("evaluate", "new_plans_mainstream")
    assert first.exit_code == 0 and "There was no release, so one was made" in first.stderr
    assert first.stdout.startswith("Change Programme and new plans in mainstream schools")


def test_a_release_that_is_no_zip_is_told(command: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "release.zip").write_bytes(b"no zip")
    result = command("import-ees", str(tmp_path / "release.zip"), "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["error"]


def test_the_interactive_tool_is_imported_and_anything_else_is_told(command: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "lait.csv"
    header = "Short Desc,Data item,Years,LA and Regions,Values,LA Number,Region"
    path.write_text(f"{header}\nPriTotAbs,Total absence,2022,Hartlepool,6,805,North East\n", encoding="utf-8")
    told = json.loads(command("import-lait", str(path), "--json").stdout)
    assert (told["publication"], told["values"]) == ("local-authority-interactive-tool", 1)
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "has no column Short Desc" in command("import-lait", str(path)).stderr


def test_every_command_is_walked_here_or_in_the_browser() -> None:
    here = Path(__file__)
    others = ("cells/test_command.py", "storage/test_downgrades.py", "returns/test_identifiers.py")
    walks = (here, here.with_name("test_serve.py"), *(here.parents[1] / name for name in others))
    source = "".join(path.read_text(encoding="utf-8") for path in walks)
    assert [name for name in COMMANDS if f'"{name}"' not in source] == []
