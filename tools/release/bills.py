"""Bills of materials of the programs: what is in their images besides the base, in two forms.

The packages are those of `tools/images/requirements`, with the hashes that are pinned there; their
licences are the ones that their own metadata names, read from this environment, which holds the
same versions. CycloneDX 1.6 and SPDX 3.0.1 are written by the formats' own libraries or checked
by them (`tests/release`).
"""

import importlib.metadata
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

PINS = Path(__file__).resolve().parents[1] / "images" / "requirements"
PROGRAMS = ("operator", "exporter", "trainer")
SPDX_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
UNIQUE = uuid.UUID("6d1b0f4e-6a0e-5b55-9f4c-5d2f7b6a9c31")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package as it is pinned."""

    name: str
    version: str
    sha256: tuple[str, ...]
    """Hashes of its files, one for each platform and form that its authors published."""

    @property
    def url(self) -> PackageURL:
        """Name in the form that both formats use."""
        return PackageURL("pypi", name=self.name.lower(), version=self.version)


@dataclass(frozen=True, slots=True)
class Licence:
    """What a package's own metadata says of its licence."""

    expression: str | None
    """SPDX expression; None if the metadata has none."""
    words: str | None
    """Expression, or the first line or classifiers in its place; None if nothing is said."""


def licence(package: Package) -> Licence:
    """Return what the metadata of `package` says, read once."""
    try:
        metadata = importlib.metadata.metadata(package.name)
    except importlib.metadata.PackageNotFoundError:
        return Licence(None, None)
    classified = [
        value.rpartition(" :: ")[2]
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License :: ")
    ]
    expression = metadata.get("License-Expression")
    said = (expression or metadata.get("License") or "").strip()
    first = said.splitlines()[0] if said else ""
    return Licence(expression, first[:80] or "; ".join(classified) or None)


def packages(program: str) -> list[Package]:
    """Return what the image of `program` holds besides Lowtide, in the order of their names."""
    text = (PINS / f"{program}.txt").read_text()
    return sorted(
        Package(
            match[1],
            match[2],
            tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", match[3]))),
        )
        for match in re.finditer(r"^([\w.-]+)==(\S+)((?:.*\\\n)*.*)$", text, re.MULTILINE)
    )


def shipped() -> list[Package]:
    """Return the packages of all images."""
    return sorted({package for program in PROGRAMS for package in packages(program)})


def write(program: str, version: str, epoch_seconds: int) -> dict[str, str]:
    """Return the bills of one program, by the suffix of their files."""
    made = datetime.fromtimestamp(epoch_seconds, UTC)
    found = packages(program)
    content = repr((program, version, epoch_seconds, found))
    identity = uuid.uuid5(UNIQUE, content)
    return {
        "cdx.json": cyclonedx(program, version, made, identity, found),
        "spdx.json": spdx(program, version, made, identity, found),
    }


def cyclonedx(
    program: str, version: str, made: datetime, identity: uuid.UUID, found: Iterable[Package]
) -> str:
    """Return the bill in CycloneDX 1.6."""
    root = Component(
        name=f"lowtide-{program}",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="lowtide",
        licenses=[LicenseExpression("Apache-2.0")],
    )
    bom = Bom(
        serial_number=identity,
        metadata=BomMetaData(component=root, timestamp=made),
        components=[_component(package) for package in found],
    )
    bom.register_dependency(root, bom.components)
    return json.dumps(json.loads(JsonV1Dot6(bom).output_as_string()), indent=2) + "\n"


def _component(package: Package) -> Component:
    said = licence(package)
    licences: list[LicenseExpression | DisjunctiveLicense] = []
    if said.expression:
        licences = [LicenseExpression(said.expression)]
    elif said.words:
        licences = [DisjunctiveLicense(name=said.words)]
    return Component(
        name=package.name,
        version=package.version,
        purl=package.url,
        bom_ref=package.url.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in package.sha256],
        licenses=licences,
    )


def spdx(
    program: str, version: str, made: datetime, identity: uuid.UUID, found: Iterable[Package]
) -> str:
    """Return the bill in SPDX 3.0.1, as JSON-LD."""
    base = f"urn:uuid:{identity}"
    info, author, root = "_:creation", f"{base}#author", f"{base}#lowtide"

    def element(kind: str, name: str, /, **fields: object) -> dict[str, object]:
        return {"type": kind, "spdxId": f"{base}#{name}", "creationInfo": info, **fields}

    graph: list[dict[str, object]] = [
        {
            "type": "CreationInfo",
            "@id": info,
            "specVersion": "3.0.1",
            "created": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "createdBy": [author],
        },
        element("Organization", "author", name="The Lowtide authors"),
        element(
            "software_Package",
            "lowtide",
            name=f"lowtide-{program}",
            software_packageVersion=version,
        ),
    ]
    for package in found:
        graph.append(
            element(
                "software_Package",
                package.name,
                name=package.name,
                software_packageVersion=package.version,
                software_packageUrl=package.url.to_string(),
                verifiedUsing=[
                    {"type": "Hash", "algorithm": "sha256", "hashValue": one}
                    for one in package.sha256
                ],
            )
        )
        if expression := licence(package).expression:
            declared = f"{package.name}-licence"
            graph.append(
                element(
                    "simplelicensing_LicenseExpression",
                    declared,
                    simplelicensing_licenseExpression=expression,
                )
            )
            graph.append(
                element(
                    "Relationship",
                    f"{package.name}-declares",
                    relationshipType="hasDeclaredLicense",
                    to=[f"{base}#{declared}"],
                    **{"from": f"{base}#{package.name}"},
                )
            )
    graph.append(
        element(
            "Relationship",
            "dependencies",
            relationshipType="dependsOn",
            to=[f"{base}#{package.name}" for package in found],
            **{"from": root},
        )
    )
    graph.append(
        element(
            "SpdxDocument",
            "document",
            profileConformance=["core", "software", "simpleLicensing"],
            rootElement=[root],
            element=[one["spdxId"] for one in graph if "spdxId" in one],
        )
    )
    return json.dumps({"@context": SPDX_CONTEXT, "@graph": graph}, indent=2) + "\n"
