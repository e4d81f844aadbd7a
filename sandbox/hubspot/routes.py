"""Every endpoint of the vendor's API: area, path, what answers it, what it asks of the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from sandbox.hubspot import account, associations, batch, legacy, oauth, objects, properties
from sandbox.hubspot.call import Call
from sandbox.hubspot.limits import Bucket


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path of an area. `scopes`: any one of them; `{}` stands for the object type's family."""

    method: str
    area: str
    tail: str
    handler: Callable[[Call], Response]
    scopes: tuple[str, ...] = ()
    bucket: Bucket = Bucket.GENERAL
    open: bool = False
    form: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes records or definitions."""
        return any(scope.endswith(".write") for scope in self.scopes)


_READ = ("crm.objects.{}.read",)
_WRITE = ("crm.objects.{}.write",)
_SCHEMA_READ = ("crm.schemas.{}.read", "crm.objects.{}.read")
_SCHEMA_WRITE = ("crm.schemas.{}.write",)
_LINKS = "/{type}/{id}/associations"
_ASSOCIATIONS = Bucket.ASSOCIATIONS

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "objects", "/{type}/search", objects.search_page, _READ, Bucket.SEARCH),
    Endpoint("POST", "objects", "/{type}/batch/read", batch.read, _READ),
    Endpoint("POST", "objects", "/{type}/batch/update", batch.update, _WRITE),
    Endpoint("POST", "objects", "/{type}/batch/create", batch.create, _WRITE),
    Endpoint("POST", "objects", "/{type}/batch/upsert", batch.upsert, _WRITE),
    Endpoint("POST", "objects", "/{type}/batch/archive", batch.archive, _WRITE),
    Endpoint("POST", "objects", "/{type}/merge", objects.merge, _WRITE),
    Endpoint("POST", "objects", "/{type}/gdpr-delete", objects.gdpr_delete, _WRITE),
    Endpoint("GET", "objects", "/{type}", objects.list_page, _READ),
    Endpoint("POST", "objects", "/{type}", objects.create, _WRITE),
    Endpoint("GET", "objects", "/{type}/{id}", objects.read, _READ),
    Endpoint("PATCH", "objects", "/{type}/{id}", objects.update, _WRITE),
    Endpoint("DELETE", "objects", "/{type}/{id}", objects.archive, _WRITE),
    Endpoint("POST", "associations", "/{type}/{to}/batch/read", associations.batch_read, _READ, _ASSOCIATIONS),
    Endpoint("POST", "associations", "/{type}/{to}/batch/create", associations.batch_create, _WRITE, _ASSOCIATIONS),
    Endpoint(
        "POST", "associations", "/{type}/{to}/batch/associate/default", associations.batch_create_default, _WRITE,
        _ASSOCIATIONS,
    ),
    Endpoint("POST", "associations", "/{type}/{to}/batch/archive", associations.batch_archive, _WRITE, _ASSOCIATIONS),
    Endpoint("GET", "associations", "/{type}/{to}/labels", associations.labels, _READ, _ASSOCIATIONS),
    Endpoint("GET", "object_associations", _LINKS + "/{to}", associations.page, _READ, _ASSOCIATIONS),
    Endpoint(
        "PUT", "object_associations", _LINKS + "/default/{to}/{to_id}", associations.create_default, _WRITE,
        _ASSOCIATIONS,
    ),
    Endpoint("PUT", "object_associations", _LINKS + "/{to}/{to_id}", associations.create, _WRITE, _ASSOCIATIONS),
    Endpoint("DELETE", "object_associations", _LINKS + "/{to}/{to_id}", associations.archive, _WRITE, _ASSOCIATIONS),
    Endpoint("GET", "properties", "/{type}", properties.list_all, _SCHEMA_READ),
    Endpoint("POST", "properties", "/{type}", properties.create, _SCHEMA_WRITE),
    Endpoint("POST", "properties", "/{type}/batch/create", properties.batch_create, _SCHEMA_WRITE),
    Endpoint("POST", "properties", "/{type}/batch/read", properties.batch_read, _SCHEMA_READ),
    Endpoint("POST", "properties", "/{type}/batch/archive", properties.batch_archive, _SCHEMA_WRITE),
    Endpoint("GET", "properties", "/{type}/groups", properties.list_groups, _SCHEMA_READ),
    Endpoint("POST", "properties", "/{type}/groups", properties.create_group, _SCHEMA_WRITE),
    Endpoint("GET", "properties", "/{type}/groups/{name}", properties.read_group, _SCHEMA_READ),
    Endpoint("PATCH", "properties", "/{type}/groups/{name}", properties.update_group, _SCHEMA_WRITE),
    Endpoint("DELETE", "properties", "/{type}/groups/{name}", properties.archive_group, _SCHEMA_WRITE),
    Endpoint("GET", "properties", "/{type}/{name}", properties.read, _SCHEMA_READ),
    Endpoint("PATCH", "properties", "/{type}/{name}", properties.update, _SCHEMA_WRITE),
    Endpoint("DELETE", "properties", "/{type}/{name}", properties.archive, _SCHEMA_WRITE),
    Endpoint("GET", "pipelines", "/{type}", account.list_pipelines, _SCHEMA_READ),
    Endpoint("GET", "pipelines", "/{type}/{id}", account.read_pipeline, _SCHEMA_READ),
    Endpoint("GET", "pipelines", "/{type}/{id}/stages", account.list_stages, _SCHEMA_READ),
    Endpoint("GET", "owners", "", account.list_owners, ("crm.objects.owners.read",)),
    Endpoint("GET", "owners", "/{id}", account.read_owner, ("crm.objects.owners.read",)),
    Endpoint("GET", "account", "/details", account.details),
    Endpoint("GET", "account", "/api-usage/daily/private-apps", account.api_usage),
    Endpoint("POST", "oauth", "/token", oauth.token, bucket=Bucket.FREE, open=True, form=True),
    Endpoint("GET", "oauth", "/access-tokens/{token}", oauth.access_token, bucket=Bucket.FREE, open=True),
    Endpoint("GET", "oauth", "/refresh-tokens/{token}", oauth.refresh_token, bucket=Bucket.FREE, open=True),
    Endpoint("POST", "private_apps", "/get/access-token-info", oauth.private_app_token),
    Endpoint("GET", "forms", "", legacy.list_forms, ("forms",)),
    Endpoint("GET", "forms", "/{guid}", legacy.read_form, ("forms",)),
    Endpoint("GET", "submissions", "/{guid}", legacy.submissions, ("forms",)),
    Endpoint("GET", "email_events", "", legacy.email_events, ("content",)),
)  # fmt: skip
