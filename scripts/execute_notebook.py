"""Executes a notebook from top to bottom with nbconvert's preprocessor, one printed line a cell.

The notebook is written with its outputs also when a cell fails; that cell's source and error are then printed.
"""

import argparse
import re
import signal
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import ExecutePreprocessor

# Stack lines inside tslab and Node's own loader tell a notebook's author nothing.
KERNEL_FRAME = re.compile(r"\s+at .*(node_modules/(tslab|commander)/|\(?node:(vm|internal))")


class Execute(ExecutePreprocessor):
    """Prints each code cell's number, seconds and first line; `seconds` bounds the whole notebook."""

    def __init__(self, cells, seconds, **options):
        super().__init__(**options)
        self.numbers = {index: number for number, index in enumerate(cells, 1)}
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.timeout_func = self.remaining
        self.current = None
        self.on_cell_execute = self.started
        self.on_cell_executed = self.finished

    def remaining(self, _cell):
        return None if self.deadline is None else max(1, self.deadline - time.monotonic())

    def started(self, cell, cell_index):
        self.current = cell_index
        self.began = time.monotonic()

    def finished(self, cell, cell_index, execute_reply):
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        if cell_index in self.numbers:
            # nbclient takes the number from `execute_input`, which stock tslab does not send.
            cell.execution_count = execute_reply["content"].get("execution_count")
            place = f"[{self.numbers[cell_index]:2}/{len(self.numbers)}]"
            print(f"{place} {time.monotonic() - self.began:7.1f} s  {first[:80]}", flush=True)


def joined(outputs):
    """Pieces of one stream that follow each other as one output, as a frontend shows them."""
    kept = []
    for output in outputs:
        last = kept[-1] if kept else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            kept.append(output)
    return kept


def error_text(cell):
    """What the cell said on its way out: stock tslab sends errors as stderr text, other kernels as error outputs."""
    parts = []
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            parts.append("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
        elif output.output_type == "stream" and output.name == "stderr":
            parts.append(output.text)
    lines = "".join(parts).strip().splitlines()
    return "\n".join(line for line in lines if not KERNEL_FRAME.match(line))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cwd", type=Path, help="where the kernel starts; default: the notebook's folder")
    parser.add_argument("--kernel", help="default: the one the notebook names, else qlora")
    parser.add_argument("--seconds", type=float, help="for the whole notebook; default: no limit")
    arguments = parser.parse_args()

    notebook = nbformat.read(arguments.notebook, as_version=4)
    cells = [i for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip()]
    cwd = arguments.cwd or arguments.notebook.parent
    kernel = arguments.kernel or notebook.metadata.get("kernelspec", {}).get("name", "qlora")
    execute = Execute(cells, arguments.seconds, kernel_name=kernel, startup_timeout=120)
    failed = failure = None

    def interrupt(*_):
        """The cell ends with the kernel's own words; a second Ctrl-C does not wait for that."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\ninterrupting the cell ...", flush=True)
        if execute.km is not None and execute.km.provisioner is not None:
            execute.km.provisioner.process.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    try:
        execute.preprocess(notebook, {"metadata": {"path": str(cwd)}})
    except CellExecutionError as error:
        failed = error
    except CellTimeoutError:
        failure = f"the notebook took longer than {arguments.seconds:.0f} s"
    except DeadKernelError:
        failure = "the kernel died"
    except KeyboardInterrupt:
        failure = "interrupted"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    executed = execute.nb if hasattr(execute, "nb") else notebook
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    nbformat.write(executed, arguments.output)
    if failed is None and failure is None:
        return 0
    if execute.current is not None:
        cell = execute.nb.cells[execute.current]
        number = execute.numbers.get(execute.current)
        print(f"\nCell {number} of {len(cells)} failed:\n\n{cell.source}\n", file=sys.stderr)
        failure = failure or error_text(cell)
    print(failure or failed, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
