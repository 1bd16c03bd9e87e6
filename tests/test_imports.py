"""No module imports itself through others, neither in a function nor for its types alone."""

from graphlib import CycleError, TopologicalSorter

import grimp


def test_no_import_circles() -> None:
    graph = grimp.build_graph("analyzer", "dashboard", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        raise AssertionError(f"break the circle {' <- '.join(error.args[1])}") from None
