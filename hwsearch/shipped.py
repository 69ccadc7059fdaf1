"""Where the data that comes with hwsearch lies: at the repository's root, or inside an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """The folder ``search_spaces`` or ``latency_tables``: the wheel's copy, else the checkout's."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def shipped_names(folder: str, suffix: str) -> tuple[str, ...]:
    """Names (file stems) of what is shipped in a folder, sorted."""
    return tuple(sorted(path.stem for path in shipped_folder(folder).glob(f"*{suffix}")))
