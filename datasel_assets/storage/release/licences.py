"""Licences of the sources of a release. Belongs here: names and what to warn of. Not: legal advice, layout."""

import re
from collections.abc import Iterable

UNKNOWN = "unknown"

_NAMES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
pddl lgpl-lr deepfloyd-if-license llama2 gemma unknown
"""
HUB_LICENCES = frozenset(_NAMES.split())
"""Identifiers that the Hugging Face hub accepts as ``license`` (hub docs, "Licenses"), without ``other``."""


def normalised(licence: str | None) -> str:
    """Return a licence name in the spelling of the hub: lower case, dashes, without SPDX ``-only``/``-or-later``.

    >>> normalised("CC BY-NC 4.0")
    'cc-by-nc-4.0'
    """
    name = _dashed(licence)
    return name.removesuffix("-only").removesuffix("-or-later")[:64] or UNKNOWN


def is_non_commercial(licence: str | None) -> bool:
    """Tell whether the name of the licence says that commercial use is not allowed."""
    name = _dashed(licence)
    return "nc" in name.split("-") or re.search(r"non-?commercial|research-only|academic-use", name) is not None


def hub_metadata(licences: Iterable[str | None]) -> dict[str, str]:
    """Return the licence keys of the card's front matter for sources under ``licences``.

    One known licence is named; anything else is ``other`` with a name and a link to ``LICENSE.md``, which lists the
    licence of every source.

    >>> hub_metadata(["MIT", "mit"])
    {'license': 'mit'}
    """
    names = {normalised(licence) for licence in licences}
    if len(names) == 1 and names <= HUB_LICENCES:
        return {"license": names.pop()}
    name = names.pop() if len(names) == 1 else "mixed-source-licences"
    return {"license": "other", "license_name": name, "license_link": "LICENSE.md"}


def _dashed(licence: str | None) -> str:
    return re.sub(r"[^a-z0-9.+]+", "-", (licence or "").lower()).strip("-")
