"""Docstrings are Markdown, and reach Sphinx without a mark of another language."""

import pytest

import dance_lib
from dance_lib.site import reference


def in_rst(*lines):
    found = list(lines)
    reference.in_rst(None, "function", "name", None, None, found)
    return found


def test_code_becomes_a_literal_and_other_marks_stay_text():
    assert in_rst("`x`, log |a| and x * y, *args, net_ and `unit`s.") == [
        r"``x``, log \|a\| and x * y, \*args, net\_ and ``unit``\ s."
    ]


def test_lists_stay_lists():
    assert in_rst("- `raw`: minus the variance", "* one") == [
        "- ``raw``: minus the variance", "* one"
    ]  # fmt: skip


def test_fences_become_code_blocks():
    assert in_rst("So:", "", "```python", "a = `b` * 2", "```", "Then.") == [
        "So:", "", ".. code-block:: python", "", "   a = `b` * 2", "", "Then."
    ]  # fmt: skip


def test_a_constrained_argument_shows_its_type():
    signature = "(size: Annotated[int, FieldInfo(annotation=NoneType, metadata=[Ge(ge=1)])] = 7)"
    assert reference.plain_signature(None, "", "", None, None, signature, None) == (
        "(size: int = 7)", None
    )  # fmt: skip


def test_a_package_shows_what_it_names_as_public_or_its_modules():
    assert list(reference._documented("dance_lib.aap")) == ["dance_lib.aap"]
    assert list(reference._documented("dance_lib.ava")) == ["dance_lib.ava"]
    assert "dance_lib.deploy.codebook" in reference._documented("dance_lib.deploy")


@pytest.mark.parametrize("package", reference.PAGES)
def test_every_page_is_written_and_tells_each_name_once(tmp_path, package):
    reference.write_reference(tmp_path)
    text = (tmp_path / "reference" / f"{package}.rst").read_text()
    assert f".. automodule:: {package}" in text
    told_before = package != "dance_lib" and ":exclude-members:" in text
    assert told_before == (package in ("dance_lib.aap", "dance_lib.models", "dance_lib.meter"))


def test_links_of_told_names_lead_to_the_first_page():
    assert ":py:obj:`PruningPlan <dance_lib.PruningPlan>`" in reference._automodule("dance_lib.aap")
    assert "PruningPlan" in dance_lib.__all__
