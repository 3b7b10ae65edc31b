"""Who answers in production: ``champion`` moves in one step, ``previous`` remembers whom it replaced, tags remember why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.tracking.experiment import FINGERPRINT
from recsys_cl.tracking.registry import CHAMPION, DAMAGED, Registration
from recsys_cl.tracking.store import Store

PREVIOUS = "previous"
_TAG = "recsys_cl.promotion."


def aliases(store: Store, name: str) -> dict[str, int]:
    """Which version each alias of model ``name`` points at.

    Raises:
        Refused: there is no such model; the message has the nearest that is.
    """
    known = {model.name: model for model in _models(store)}
    if name not in known:
        raise Refused(f"no model '{name}' in {store.name}; {nearest(name, known)}")
    return {alias: int(version) for alias, version in known[name].aliases.items()}


def catalogue(store: Store) -> list[dict[str, Any]]:
    """Every model and version, newest first: ``model``, ``version``, ``aliases``, ``run_id``, and how its promotion went."""
    rows = []
    for model in _models(store):
        roles = {alias: int(version) for alias, version in model.aliases.items()}
        with store.explained():
            versions = store.client.search_model_versions(f"name = '{model.name}'")
        for each in sorted(versions, key=lambda v: -int(v.version)):
            mine = sorted(alias for alias, version in roles.items() if version == int(each.version))
            row = {"model": model.name, "version": int(each.version), "aliases": mine, "run_id": each.run_id}
            rows.append({**row, "decision": decision_in(each.tags)})
    return rows


def record(store: Store, name: str, version: int, decision: str, evidence: Mapping[str, str]) -> None:
    """Tag ``version`` with a decision about it, e.g. ``promoted`` or ``kept back``, when it was made, and on what grounds.

    A later decision replaces an earlier one; of its grounds nothing stays behind.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    tags = {"decision": decision, "at": now, **evidence}
    with store.explained():
        old = store.client.get_model_version(name, str(version)).tags
        for key in old:
            if key.startswith(_TAG) and key.removeprefix(_TAG) not in tags:
                store.client.delete_model_version_tag(name, str(version), key)
        for key, value in tags.items():
            store.client.set_model_version_tag(name, str(version), f"{_TAG}{key}", value)


def decision_about(store: Store, name: str, version: int) -> str:
    """The last decision about ``version``, such as ``promoted``; empty: there was none."""
    with store.explained():
        return decision_in(store.client.get_model_version(name, str(version)).tags)


def decision_in(tags: Mapping[str, str]) -> str:
    """The last decision about a version with these tags, such as ``promoted``; empty: there was none."""
    return tags.get(f"{_TAG}decision", "")


def promote(store: Store, name: str, version: int, evidence: Mapping[str, str], expected: int | None) -> Registration:
    """Point ``champion`` at ``version`` and ``previous`` at the champion it replaces.

    ``champion`` moves last: a crash before leaves the old one answering. The same promotion again changes nothing.

    Args:
        store: the registry.
        name: of the model.
        version: must exist and have been verified by whoever calls.
        evidence: short texts, kept as tags of the version.
        expected: the champion that the decision was made against; None: there was none.

    Raises:
        Refused: another promotion came in between.
    """
    with store.locked():
        champion = aliases(store, name).get(CHAMPION)
        if champion != expected:
            raise Refused(f"model '{name}': the champion became version {champion} meanwhile; decide again")
        if champion == version:
            return registration(store, name, version)
        record(store, name, version, "promoted", evidence)
        with store.explained():
            if champion is not None:
                store.client.set_registered_model_alias(name, PREVIOUS, str(champion))
            store.client.set_registered_model_alias(name, CHAMPION, str(version))
    return registration(store, name, version)


def rollback(store: Store, name: str, verify: Callable[[int], None]) -> Registration:
    """Swap ``champion`` and ``previous``: the version before answers again, and a second rollback undoes the first.

    Args:
        store: the registry.
        name: of the model.
        verify: given the version that would answer, refuses it unless its files are those that were registered.

    Raises:
        Refused: there is no version to go back to, or it cannot be trusted; the champion stays.
    """
    with store.locked():
        roles = aliases(store, name)
        if PREVIOUS not in roles or roles[PREVIOUS] == roles.get(CHAMPION):
            raise Refused(f"model '{name}': no version before the champion is known; nothing to go back to")
        back, left = roles[PREVIOUS], roles.get(CHAMPION)
        try:
            verify(back)
        except Refused as problem:
            raise Refused(f"model '{name}': version {back} cannot come back, the champion stays: {problem}") from problem
        if left is not None:
            record(store, name, left, "rolled back", {"by": str(back)})
        record(store, name, back, "restored", {"against": "nobody" if left is None else str(left)})
        with store.explained():
            store.client.set_registered_model_alias(name, CHAMPION, str(back))  # first: from here on the old one answers
            if left is not None:
                store.client.set_registered_model_alias(name, PREVIOUS, str(left))
    return registration(store, name, back)


def supersede(store: Store, name: str, fingerprint: str, version: int) -> None:
    """Let ``version`` stand where those of its content stood that were found damaged: their aliases, what was decided of them.

    Nobody could load them any more, and it answers as they did. The same again changes nothing.
    """
    roles = aliases(store, name)
    with store.explained():
        versions = {int(each.version): each.tags for each in store.client.search_model_versions(f"name = '{name}'")}
        gone = sorted(each for each, tags in versions.items() if tags.get(FINGERPRINT) == fingerprint and DAMAGED in tags)
        if not decision_in(versions[version]):
            decided = [tags for each in gone if decision_in(tags := versions[each])]
            for key, value in (decided[-1] if decided else {}).items():
                if key.startswith(_TAG):
                    store.client.set_model_version_tag(name, str(version), key, value)
        for alias, pointed in roles.items():
            if pointed in gone:
                store.client.set_registered_model_alias(name, alias, str(version))


def _models(store: Store) -> list[Any]:
    found: list[Any] = []
    token = None
    with store.explained():
        while True:
            page = store.client.search_registered_models(page_token=token)
            found += page
            token = page.token
            if not token:
                return found


def registration(store: Store, name: str, version: int) -> Registration:
    """``version`` and the aliases that point at it now."""
    mine = sorted(alias for alias, pointed in aliases(store, name).items() if pointed == version)
    return Registration(name, version, tuple(mine))
