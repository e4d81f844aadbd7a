"""What goes out, and cohorts: the analytics host."""

from __future__ import annotations

import gzip
import io
import zipfile
from base64 import b64decode
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import orjson
from starlette.responses import Response

from sandbox.amplitude.project import HOUR, Cohort, Job, Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.amplitude.wire import Refusal, answer

TOO_LARGE = (
    "The file size of the exported data is too large. Shorten the time ranges and try again. The limit size is 4GB."
)
TIMEOUT = "The amount of data is large causing a timeout. For large amounts of data, use the Amazon S3 destination."
_YEAR, _HALF_A_YEAR = timedelta(days=365), timedelta(days=184)


class Analytics:
    """The analytics host of one project."""

    def __init__(self, project: Project, settings: AmplitudeServer) -> None:
        self._project, self._settings = project, settings

    def admit(self, authorization: str | None) -> None:
        """HTTP Basic of both keys. Raises `Refusal`."""
        scheme, _, given = (authorization or "").partition(" ")
        wanted = f"{self._settings.api_key}:{self._settings.secret_key}".encode()
        try:
            good = scheme.lower() == "basic" and b64decode(given) == wanted
        except ValueError:
            good = False
        if not good:
            raise Refusal(401, "Unauthorized")

    def export(self, start: str, end: str) -> Response:
        """A zip with a gzipped file of lines for each hour that has events."""
        try:
            zone = self._project.clock.now().tzinfo
            first, last = (datetime.strptime(text, "%Y%m%dT%H").replace(tzinfo=zone) for text in (start, end))
        except ValueError:
            raise Refusal(400, "start and end must be given as YYYYMMDDTHH") from None
        if last - first > _YEAR or last < first:
            raise Refusal(400, "Invalid time range: at most 365 days can be exported at once")
        if (last - first) / HOUR + 1 > self._settings.export_hours:
            raise Refusal(504, TIMEOUT)
        rows = self._project.exported(first, last)
        if not rows:
            raise Refusal(404, "Raw data files were not found.")
        file = io.BytesIO()
        app = self._settings.app_id
        with zipfile.ZipFile(file, "w") as archive:
            for hour, its in groupby(rows, key=lambda row: str(row["server_upload_time"])[:13]):
                lines = b"".join(orjson.dumps({"app": app, **row}) + b"\n" for row in its)
                name = f"{app}/{app}_{hour.replace(' ', '_')}#0.json.gz"
                archive.writestr(zipfile.ZipInfo(name, first.timetuple()[:6]), gzip.compress(lines, mtime=0))
        content = file.getvalue()
        if len(content) > self._settings.export_bytes:
            raise Refusal(400, TOO_LARGE)
        return Response(content, media_type="application/zip")

    def cohorts(self) -> Response:
        return answer({"cohorts": [self._shown(each) for each in self._project.cohorts.values()]})

    def upload(self, raw: bytes) -> Response:
        """Make a cohort, or replace the members of one. It takes one id at least."""
        body = _parsed(raw)
        for name in ("name", "app_id", "id_type", "ids", "owner", "published"):
            if body.get(name) in (None, "", []):
                raise _refused(f"Missing required field {name}")
        if body["app_id"] != self._settings.app_id:
            raise _refused("Invalid app_id")
        by_user = body["id_type"] == "BY_USER_ID"
        members, invalid = self._found(body["ids"], by_name=by_user, skip=body.get("skip_invalid_ids", True))
        id = body.get("existing_cohort_id") or f"c{len(self._project.cohorts):06x}"
        if "existing_cohort_id" in body and id not in self._project.cohorts:
            raise _refused("Cohort not found")
        self._project.cohorts[id] = Cohort(id, body["name"], body["owner"], members, body["published"])
        counts = {"matched": len(members), "totals": len(body["ids"]), "invalid_ids_sample": invalid[:5]}
        return answer({"cohortId": id, "metadata": counts})

    def membership(self, raw: bytes) -> Response:
        body = _parsed(raw)
        cohort = self._project.cohorts.get(str(body.get("cohort_id")))
        if cohort is None:
            raise _refused("Cohort not found")
        told = []
        for change in body.get("memberships") or ():
            skip = body.get("skip_invalid_ids", True)
            found, invalid = self._found(change["ids"], by_name=change["id_type"] == "BY_NAME", skip=skip)
            cohort.members = cohort.members | found if change["operation"] == "ADD" else cohort.members - found
            told.append({"skipped_ids": invalid, "id_type": change["id_type"], "operation": change["operation"]})
        return answer({"cohort_id": cohort.id, "memberships_result": told})

    def search(self, text: str) -> Response:
        """Users whose id begins so, or whose number it is."""
        found = [
            {"user_id": user.id, "amplitude_id": user.number}
            for user in self._project.users.values()
            if user.id.startswith(text) or str(user.number) == text
        ]
        return answer({"matches": found[:100], "type": "match_user_id"})

    def deletions(self, start: str, end: str) -> Response:
        """Jobs that run on these days."""
        try:
            first, last = (date.fromisoformat(text) for text in (start, end))
        except ValueError:
            raise Refusal(400, "Bad Request") from None
        if last - first > _HALF_A_YEAR:
            raise Refusal(400, "Bad Request")
        return answer([self._job(job) for job in self._project.jobs if first <= job.day.date() <= last])

    def forget(self, raw: bytes) -> Response:
        """Ask for users to be erased, by id or number."""
        body = _parsed(raw)
        wanted = {*map(str, body.get("user_ids") or ()), *map(str, body.get("amplitude_ids") or ())}
        found = {user.id for user in self._project.users.values() if {user.id, str(user.number)} & wanted}
        if not found or (len(found) < len(wanted) and not body.get("ignore_invalid_id")):
            raise _refused("Some ids are invalid")
        jobs = [self._project.forget(user) for user in sorted(found)]
        return answer(self._job(jobs[-1]))

    def _job(self, job: Job) -> dict[str, Any]:
        users = [
            {"amplitude_id": number, "requested_on_day": day, "requester": "ann"} for number, day in job.asked.items()
        ]
        return {"day": f"{job.day:%F}", "status": job.status(self._project.clock.now()), "amplitude_ids": users}

    def _found(self, ids: list[Any], *, by_name: bool, skip: bool) -> tuple[set[str], list[Any]]:
        if len(ids) > self._settings.cohort_ids:
            raise _refused(f"At most {self._settings.cohort_ids} ids can be given")
        users = self._project.users.values()
        known = {user.id if by_name else str(user.number): user.id for user in users}
        invalid = [id for id in ids if str(id) not in known]
        if invalid and not skip:
            raise _refused("Some ids are invalid", invalid_ids_sample=invalid[:5])
        return {known[str(id)] for id in ids if str(id) in known}, invalid

    def _shown(self, cohort: Cohort) -> dict[str, Any]:
        return {
            "appId": self._settings.app_id, "archived": cohort.archived, "id": cohort.id, "name": cohort.name,
            "owners": [cohort.owner], "viewers": [], "published": cohort.published, "size": len(cohort.members),
            "type": "redshift", "finished": True, "hidden": False, "definition": {}, "description": "",
        }  # fmt: skip


class Profiles:
    """The User Profile API of a project in the US."""

    def __init__(self, project: Project, settings: AmplitudeServer) -> None:
        self._project, self._settings = project, settings
        self._asked: list[datetime] = []

    def profile(self, authorization: str | None, query: Mapping[str, str]) -> Response:
        scheme, _, key = (authorization or "").partition(" ")
        if scheme != "Api-Key" or not key:
            raise Refusal(401, "Missing Api-Key in Authorization header")
        if key != self._settings.secret_key:
            raise Refusal(401, "Invalid Api-Key")
        self._count()
        user = self._project.users.get(query.get("user_id", ""))
        if user is None:
            raise Refusal(400, {"error": "User id and device id not seen before"})
        properties = dict(user.properties) if query.get("get_amp_props") == "true" else None
        shown = {"recommendations": None, "user_id": user.id, "device_id": None, "amp_props": properties}
        return answer({"userData": {**shown, "cohort_ids": None}})

    def _count(self) -> None:
        limit, now = self._settings.profiles_per_minute, self._project.clock.now()
        self._asked = [at for at in self._asked if at > now - timedelta(minutes=1)]
        if limit is not None and len(self._asked) >= limit:
            said = "Number of requests per minute exceeds system limit. Contact Support if you need this limit raised"
            raise Refusal(429, {"error": said})
        self._asked.append(now)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise _refused("Invalid JSON")
    return body


def _refused(message: str, **metadata: Any) -> Refusal:
    error = {"http_code": 400, "type": "invalid_request", "message": message, "metadata": metadata}
    return Refusal(400, {"error": error})
