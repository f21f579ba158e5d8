from __future__ import annotations

from manifests.errors import AssayError, ManifestError, Problem, UsageError


def test_exit_codes_are_those_of_the_contract() -> None:
    assert (AssayError.exit_code, UsageError.exit_code, ManifestError.exit_code) == (1, 2, 2)


def test_manifest_error_tells_every_problem_with_file_and_key() -> None:
    problems = [Problem("models/a.toml", "group", "is required"), Problem("models/b.toml", "", "is not TOML")]
    error = ManifestError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == [
        "2 problem(s) in the manifests:",
        "  models/a.toml: group: is required",
        "  models/b.toml: is not TOML",
    ]
