"""Settings come from the code location or from the environment of the step, whichever is asked."""

import pytest
from pydantic import ValidationError

from laion_assets.web.resource import WebResource, variable
from laion_assets.web.spec import WebSpec


def test_without_settings_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("deadline_s"), "3")
    assert WebResource().spec() == WebSpec()


def test_variables_are_read_when_a_step_asks_not_when_code_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = WebResource.from_environment()
    monkeypatch.setenv("LAION_ASSETS_WEB_ALLOW_NETWORKS", "127.0.0.0/8, 10.0.0.0/8")
    monkeypatch.setenv("LAION_ASSETS_WEB_NAMESERVERS", "127.0.0.1:5353")
    monkeypatch.setenv("LAION_ASSETS_WEB_DEADLINE_S", "6")
    spec = resource.spec()
    assert spec.allow_networks == ("127.0.0.0/8", "10.0.0.0/8")
    assert spec.nameservers == ("127.0.0.1:5353",)
    assert spec.deadline_s == 6.0


def test_a_setting_beats_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("deadline_s"), "3")
    assert WebResource(settings={"deadline_s": 9}, read_environment=True).spec().deadline_s == 9.0


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("allow_networks"), "")
    assert WebResource.from_environment().spec() == WebSpec()


def test_a_variable_that_is_no_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("deadline_s"), "soon")
    with pytest.raises(ValidationError, match="deadline_s"):
        WebResource.from_environment().spec()
