from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors.catalog import OPENERS, SourceSettings, open_crm
from connectors.quota import OpenGate
from connectors.salesforce.settings import SalesforceSettings
from connectors.tokens import MemoryTokens

SALESFORCE = {
    "kind": "salesforce",
    "name": "acme",
    "auth": {"type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "S"}},
}


def test_settings_are_told_apart_by_kind() -> None:
    assert isinstance(TypeAdapter(SourceSettings).validate_python(SALESFORCE), SalesforceSettings)
    with pytest.raises(ValidationError, match="kind"):
        TypeAdapter(SourceSettings).validate_python({**SALESFORCE, "kind": "siebel"})


def test_every_kind_of_settings_has_an_opener_that_exists() -> None:
    kinds = {get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(SourceSettings)[0])}
    assert kinds == set(OPENERS)
    for place in OPENERS.values():
        module, opener = place.split(":")
        assert callable(getattr(import_module(module), opener))


def test_opening_makes_no_call() -> None:
    settings = TypeAdapter(SourceSettings).validate_python(SALESFORCE)
    crm = open_crm(settings, gate=OpenGate(), tokens=MemoryTokens(), observer=lambda exchange: None)
    assert crm.source == "acme"
    crm.close()


def test_reading_the_settings_loads_no_sdk() -> None:
    program = "import sys, connectors.catalog; print({'simple_salesforce', 'hubspot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
