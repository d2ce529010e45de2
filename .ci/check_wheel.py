"""Check the installed wheel: what it carries, and that each of its modules imports.

Run by an interpreter into which only the wheel was installed, from outside the source tree.
"""

import importlib
import importlib.metadata
import pathlib
import sys
import sysconfig

PACKAGE = "pyfutex"
CARRIED = (".so", ".pxd", ".pyi", ".h", "py.typed", "LICENSE")
NOT_CARRIED = (".c", ".o")
# Need what an extra brings, or are for those who have the other package.
OF_EXTRAS = (
    "pyfutex.aio.anyio",
    "pyfutex.aio.gevent",
    "pyfutex.integrations.qiling",
    "pyfutex.sidebyside.child",
    "pyfutex.sidebyside.stock",
)


def module_names(files: list[pathlib.PurePosixPath]) -> list[str]:
    """Return the dotted names of the modules among the files of the distribution."""
    extension = sysconfig.get_config_var("EXT_SUFFIX")
    names = set()
    for file in files:
        if file.parts[0] != PACKAGE or file.name == "__main__.py":
            continue
        for suffix in (extension, ".py"):
            if file.name.endswith(suffix):
                dotted = ".".join((*file.parent.parts, file.name.removesuffix(suffix)))
                names.add(dotted.removesuffix(".__init__"))
    return sorted(names)


def main() -> int:
    distribution = importlib.metadata.distribution(PACKAGE)
    files = [pathlib.PurePosixPath(file) for file in distribution.files or []]
    faults = [f"no {end} in the wheel" for end in CARRIED if not any(f.name.endswith(end) for f in files)]
    faults += [f"{f} does not belong in the wheel" for f in files if f.suffix in NOT_CARRIED]
    if any(requirement for requirement in distribution.requires or [] if "extra ==" not in requirement):
        faults.append(f"the package must not require another: {distribution.requires}")
    if distribution.metadata["License-Expression"] != "Apache-2.0":
        faults.append("the metadata lack the license expression")
    names = [name for name in module_names(files) if not name.startswith(OF_EXTRAS)]
    for name in names:
        module = importlib.import_module(name)
        if module.__file__ is None or "site-packages" not in module.__file__:
            faults.append(f"{name} came from {module.__file__}")
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():
        faults.append("importing the package switched the GIL on")
    for fault in faults:
        print(f"wheel: {fault}", file=sys.stderr)
    print(f"{PACKAGE} {distribution.version}: {len(files)} files, {len(names)} modules import")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
