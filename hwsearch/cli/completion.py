"""What the Tab key offers behind an option, once ``hwsearch --install-completion`` was run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def networks(incomplete: str) -> list[str]:
    """Preset names, preset and family files, and folders of runs."""
    from hwsearch.family import SUFFIX as FAMILY_SUFFIX
    from hwsearch.preset import SUFFIX, reference_presets

    runs = [str(path.parent) for path in Path("runs").glob("*/summary.json")]
    return _beginning(
        incomplete, [*reference_presets(), *_files(incomplete, SUFFIX), *_files(incomplete, FAMILY_SUFFIX), *runs]
    )


def tables(incomplete: str) -> list[str]:
    """Shipped latency tables and JSON files here."""
    from hwsearch.latency_table import SUFFIX
    from hwsearch.shipped import shipped_names

    return _beginning(incomplete, [*shipped_names("latency_tables", SUFFIX), *_files(incomplete, SUFFIX)])


def spaces(incomplete: str) -> list[str]:
    """Shipped search spaces and YAML files here."""
    from hwsearch.shipped import shipped_names

    return _beginning(incomplete, [*shipped_names("search_spaces", ".yaml"), *_files(incomplete, ".yaml")])


def targets(incomplete: str) -> list[str]:
    """Names of targets; a command still needs its file."""
    from hwsearch.runtimes import TARGETS

    return _beginning(incomplete, [f"{name}:" if name == "command" else name for name in TARGETS])


def formats(incomplete: str) -> list[str]:
    """Export formats."""
    from hwsearch.export import EXPORTERS

    return _beginning(incomplete, EXPORTERS)


def _files(incomplete: str, suffix: str) -> list[str]:
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    return [str(path) for path in sorted(folder.glob(f"*{suffix}"))]


def _beginning(incomplete: str, known: Iterable[str]) -> list[str]:
    return [each for each in known if each.startswith(incomplete)]
