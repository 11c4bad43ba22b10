import pytest
import torch

from dance_lib.bench.candidates import attempt

EXPECTED = torch.tensor([[1.0, -4.0], [2.0, 1.0]])


def tried(logits, precision="float32"):
    return attempt("x", "dense", lambda: (lambda: logits, "somehow"), EXPECTED, precision, axis="a")


def test_what_is_right_can_be_timed():
    found = tried(EXPECTED.clone())
    assert torch.equal(found.run(), EXPECTED)
    assert found.facts == {"axis": "a", "detail": "somehow", "relative_error": 0.0}


@pytest.mark.parametrize(
    ("precision", "error", "passes"),
    [("float32", 0.9e-3, True), ("float32", 1.1e-3, False),
     ("bfloat16", 4.9e-2, True), ("bfloat16", 5.1e-2, False)],
)  # fmt: skip
def test_errors_are_relative_to_the_largest_logit_of_the_clip(precision, error, passes):
    # The second clip's largest logit is 2, so an error of 2 e is e relative.
    found = tried(EXPECTED + torch.tensor([[0, 0], [0, 2 * error]]), precision)
    assert (found.run is not None) == passes
    assert found.facts["relative_error"] == pytest.approx(error, rel=1e-3)
    assert ("reason" in found.facts) == (not passes)


@pytest.mark.parametrize("wrong", [EXPECTED * torch.nan, EXPECTED[:1], EXPECTED + 1])
def test_a_wrong_result_is_no_time(wrong):
    found = tried(wrong)
    assert found.run is None
    assert found.facts["reason"].startswith("wrong result: logits differ by ")


def test_a_failure_is_a_reason_in_one_line():
    def build():
        raise RuntimeError("no kernel\n for this " + "x" * 999)

    found = attempt("x", "dense", build, EXPECTED, "float32", axis="a")
    assert found.run is None
    assert found.facts["axis"] == "a"
    assert found.facts["reason"].startswith("RuntimeError: no kernel for this xxx")
    assert len(found.facts["reason"]) == 300


def test_a_missing_package_comes_with_the_remedy():
    def build():
        import no_such_runtime  # noqa: F401

    reason = attempt("x", "dense", build, EXPECTED, "float32").facts["reason"]
    assert reason == "no_such_runtime is not installed: make bench, or pip install '.[bench]'"
