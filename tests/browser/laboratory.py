"""A JupyterLab server on loopback, and one notebook in it, driven through the application object that
--LabApp.expose_app_in_browser gives.
"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
from scripts import ASK_KERNEL

NOTEBOOKS = pathlib.Path(__file__).parents[2] / "nbs"
CHROMIUM = (
    os.environ.get("FASHION_STYLE_CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WIDE, NARROW = {"width": 1280, "height": 1000}, {"width": 900, "height": 1000}
BAD_OUTPUT = ".jupyter-widgets-error-widget, .jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
# seconds after which a wait is in vain, whatever else the machine does: a step that is traced can take minutes
HANG_GUARD = 600
CURRENT = "window.jupyterapp.shell.currentWidget"


def server_environment(folder):
    """Settings of its own for the server, so that neither the reader's nor an earlier test's count."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
    folders = {
        name: str(folder / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
        )
    }
    # as many threads as a reader's kernel has
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_NUM_")}
    return dict(
        plain,
        **folders,
        JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"),
        MPLBACKEND="agg",
        TF_CPP_MIN_LOG_LEVEL="3",
        CUDA_VISIBLE_DEVICES="-1",
    )


class Lab:
    """A running server: `url`, `root` (folder of the notebooks it serves)."""

    def __init__(self, folder):
        self.root, self.log = folder / "root", folder / "server.log"
        self.root.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        options = [
            f"--port={port}",
            f"--ServerApp.root_dir={self.root}",
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.password=",
            "--ServerApp.disable_check_xsrf=True",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
            "--MultiKernelManager.default_kernel_name=python3",
            "--MappingKernelManager.cull_idle_timeout=0",
        ]
        with open(self.log, "w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                env=server_environment(folder),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds=HANG_GUARD):
        """Until it answers."""
        end = time.monotonic() + seconds
        while True:
            try:
                return urllib.request.urlopen(self.url + "/api/status", timeout=5).read()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(self.log.read_text()) from None
                time.sleep(0.2)

    def stop(self):
        """End the server and with it the kernels."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextlib.contextmanager
def chromium():
    """Chromium without a window. Raises `ImportError` without playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=OPTIONS)
        yield browser
        browser.close()


@contextlib.contextmanager
def laboratory(folder):
    """A running `Lab`."""
    server = Lab(folder)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def application(browser, lab):
    """JupyterLab open in one page: loading the application is slow, opening a tab in it is not."""
    page = browser.new_context(viewport=WIDE).new_page()
    page.set_default_timeout(1000 * HANG_GUARD)
    page.goto(f"{lab.url}/lab?reset", wait_until="domcontentloaded")
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    page.evaluate("() => { if (!window.jupyterapp.shell.leftCollapsed) window.jupyterapp.shell.collapseLeft() }")
    return page


def open_notebook(page, lab, notebook, path):
    """Write a notebook (nbformat) into the server's folder, with code cells that have not run, and open it: `Tab`."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    notebook.metadata["kernelspec"] = dict(name="python3", display_name="Python 3", language="python")
    nbformat.write(notebook, lab.root / path)
    return Tab(page, lab, path)


class Tab:
    """One notebook in JupyterLab. `page` is playwright's page; `box` what lies in the notebook's outputs."""

    def __init__(self, page, lab, path):
        self.page, self.path, self.errors = page, path, []
        page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack}"))
        self.command("docmanager:open", {"path": path, "factory": "Notebook"})
        page.wait_for_function(
            f"""path => {{ const tab = {CURRENT}, kernel = tab?.sessionContext?.session?.kernel;
            return tab?.context?.path === path && kernel && kernel.status === 'idle' && tab.context.isReady }}""",
            arg=path,
        )
        self.box = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def command(self, name, arguments=None):
        """One of JupyterLab's commands; returns when it is done."""
        return self.page.evaluate(
            "([name, args]) => Promise.resolve(window.jupyterapp.commands.execute(name, args)).then(() => null)",
            [name, arguments or {}],
        )

    def theme(self, dark):
        """JupyterLab's dark theme, or its light one."""
        self.command("apputils:change-theme", {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"})
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === String(light)", arg=not dark)
        # a second change before that makes Lab remove its curtain twice
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def run_all(self):
        """Run all cells, and wait."""
        self.command("notebook:run-all-cells")
        return self.check()

    def run(self, cell):
        """Run one cell by its number, and wait."""
        self.page.evaluate(f"number => {{ {CURRENT}.content.activeCellIndex = number }}", cell)
        self.command("notebook:run-cell")
        return self

    def ask(self, code):
        """Run code in the notebook's kernel, beside its cells: what it printed, and the seconds it took to answer."""
        return self.page.evaluate(ASK_KERNEL.replace("CURRENT", CURRENT), code)

    def check(self):
        """No widget failed, no cell raised, no thread left a traceback, and the page has no error."""
        bad = self.box.locator(BAD_OUTPUT)
        assert bad.count() == 0, [output.inner_text()[:500] for output in bad.all()]
        said = self.box.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()
        assert not any("Traceback" in text for text in said), said
        assert not self.errors, self.errors
        return self

    def close(self):
        """Shut the kernel down and close the tab."""
        self.page.evaluate(
            f"async () => {{ const tab = {CURRENT}; await tab.sessionContext.shutdown(); await tab.context.save();"
            " tab.dispose() }"
        )
