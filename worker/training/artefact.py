"""A model as a file: a zip of a manifest and a skops dump. Nothing of it is loaded before all of it has been checked.

skops (https://skops.readthedocs.io/en/stable/persistence.html) stores objects as data, not as code, and says which
types a file would build. Ours must be on a fixed list; what is altered, foreign, sealed by nobody or made by other
versions is refused, and the refusal says why.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import platform
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from worker.features.feature import Feature
from worker.store.models import Stored
from worker.training.refusal import ModelRefused

if TYPE_CHECKING:
    from worker.scoring.model import Model

FORMAT = 1
LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy", "skops")
LARGEST = 512 * 2**20
"""More bytes than this in a file's parts, and it is no model of ours."""

_MANIFEST, _DUMP = "manifest.json", "model.skops"
_ARTEFACT, _SEAL = "artefact.zip", "seal.json"
_STAMP = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say: the same model gives the same file


def versions() -> dict[str, str]:
    """What a model is made with, by package."""
    return {"leadgauge": version("leadgauge"), "python": platform.python_version()} | {
        name: version(name) for name in LIBRARIES
    }


def fingerprint(features: Iterable[Feature]) -> str:
    """SHA-256 over what decides a feature's values: its name, type, unit and inputs, in order; not its words."""
    told = [[f.name, f.type.value, f.unit, list(f.needs)] for f in features]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def pack(model: Model, manifest: Mapping[str, Any], key: str | None) -> tuple[Stored, Mapping[str, Any]]:
    """The artefact with its digest and, where there is a key, its seal; and the manifest that stands in it: what was
    given, and what this function knows of the model."""
    import skops.io

    dump = skops.io.dumps(model)
    whole = {
        **manifest,
        "format": FORMAT,
        "kind": model.kind,
        "signal": model.signal,
        "base_rate": model.base_rate,
        "features": [
            {"name": f.name, "label": f.label, "type": f.type.value, "family": f.family.value} for f in model.features
        ],
        "fingerprint": fingerprint(model.features),
        "versions": versions(),
        "dump": hashlib.sha256(dump).hexdigest(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _STAMP), json.dumps(whole, sort_keys=True, default=str))
        archive.writestr(zipfile.ZipInfo(_DUMP, _STAMP), dump, compress_type=zipfile.ZIP_DEFLATED)
    body = file.getvalue()
    return Stored(body, hashlib.sha256(body).hexdigest(), seal(body, key)), json.loads(json.dumps(whole, default=str))


def seal(body: bytes, key: str | None) -> str | None:
    """HMAC-SHA256 of an artefact under a key that the database does not hold; None without a key."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest() if key else None


def unpack(artefact: Stored, key: str | None, what: str) -> Model:
    """The model in an artefact. `what` names it in the messages. Raises `ModelRefused` before anything is built."""
    import skops.io

    from worker.scoring.model import TRUSTED, Model

    if hashlib.sha256(artefact.body).hexdigest() != artefact.digest:
        raise ModelRefused(f"{what}: its bytes are not those that were registered; restore them from a backup")
    if key:
        if artefact.seal is None:
            raise ModelRefused(f"{what}: it has no seal, and LEADGAUGE_MODEL_KEY asks for one; train it anew")
        if not hmac.compare_digest(seal(artefact.body, key) or "", artefact.seal):
            raise ModelRefused(f"{what}: its seal was not made with LEADGAUGE_MODEL_KEY; give the key that made it")
    manifest, dump = _parts(artefact.body, what)
    try:
        _check_versions(manifest, dump, what)
        unknown = sorted(set(skops.io.get_untrusted_types(data=dump)) - set(TRUSTED))
        if unknown:
            raise ModelRefused(f"{what}: it would build {', '.join(unknown)}, which no model of ours does")
        model = skops.io.loads(dump, trusted=list(TRUSTED))
    except ModelRefused:
        raise
    except Exception as problem:  # skops tells a broken file by whatever breaks first
        raise ModelRefused(f"{what}: the dump cannot be read ({type(problem).__name__}); train it anew") from None
    if not isinstance(model, Model):
        raise ModelRefused(f"{what}: the file holds a {type(model).__name__}, no model")
    if fingerprint(model.features) != manifest.get("fingerprint"):
        raise ModelRefused(f"{what}: its features are not those of its manifest; restore it from a backup")
    return model


def to_file(artefact: Stored) -> bytes:
    """An artefact to be carried elsewhere, with its digest and its seal beside it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_ARTEFACT, _STAMP), artefact.body)
        told = json.dumps({"digest": artefact.digest, "seal": artefact.seal})
        archive.writestr(zipfile.ZipInfo(_SEAL, _STAMP), told)
    return file.getvalue()


def from_file(file: bytes, what: str) -> Stored:
    """The artefact that `to_file` wrote; `unpack` checks it. Raises `ModelRefused` for any other file."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST:
                raise ModelRefused(f"{what}: it is larger than {LARGEST // 2**20} MiB; no model of ours is")
            body, told = archive.read(_ARTEFACT), json.loads(archive.read(_SEAL))
        return Stored(body, str(told["digest"]), told["seal"])
    except (zipfile.BadZipFile, ValueError, TypeError, KeyError, OSError):
        raise ModelRefused(f"{what}: it is no model of Leadgauge; `leadgauge model export` writes one") from None


def read_manifest(body: bytes, what: str) -> Mapping[str, Any]:
    """What an artefact says of itself. Raises `ModelRefused` for what is no artefact."""
    return _parts(body, what)[0]


def check_features(model: Model, known: Mapping[str, Feature], what: str) -> None:
    """Raises `ModelRefused` when a feature that the model needs is not what this version computes."""
    for feature in model.features:
        ours = known.get(feature.name)
        if ours is None:
            raise ModelRefused(
                f"{what}: it needs {feature.name}, which is not computed; restore the attribute, or train anew"
            )
        if fingerprint([ours]) != fingerprint([feature]):
            raise ModelRefused(f"{what}: {feature.name} is computed in another way than it was trained on; train anew")


def _parts(body: bytes, what: str) -> tuple[dict[str, Any], bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST:
                raise ModelRefused(f"{what}: it is larger than {LARGEST // 2**20} MiB; no model of ours is")
            if sorted(archive.namelist()) != [_MANIFEST, _DUMP]:
                raise ModelRefused(f"{what}: it is no model of Leadgauge; `leadgauge model export` writes one")
            manifest, dump = json.loads(archive.read(_MANIFEST)), archive.read(_DUMP)
    except (zipfile.BadZipFile, ValueError, OSError):
        raise ModelRefused(f"{what}: it is no model of Leadgauge, or a damaged one; export it again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelRefused(f"{what}: it has another format than {FORMAT}, the one that this version reads; train anew")
    if hashlib.sha256(dump).hexdigest() != manifest.get("dump"):
        raise ModelRefused(f"{what}: its dump is not the one that its manifest names; it was altered")
    return manifest, dump


def _check_versions(manifest: Mapping[str, Any], dump: bytes, what: str) -> None:
    """Estimators of scikit-learn do not survive another minor version
    (https://scikit-learn.org/stable/model_persistence.html#security-maintainability-limitations); arrays do."""
    made, ours = manifest.get("versions", {}), versions()
    needed = ["scikit-learn"] if _builds_estimators(dump) else []
    for name in needed:
        if _minor(made.get(name, "")) != _minor(ours[name]):
            raise ModelRefused(
                f"{what}: it was made with {name} {made.get(name)}, this is {ours[name]}; train anew, or install that"
            )


def _builds_estimators(dump: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(dump)) as archive:
        return b'"sklearn' in archive.read("schema.json")


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
