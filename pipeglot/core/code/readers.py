"""What brings values into a program that are not in its code: files, the environment, the clock, chance, the network.

Only what gives another *value* elsewhere or tomorrow. A place (`Path.home()`), the machine (`os.cpu_count()`) and the
versions of packages are left out: results do not hang on them, and notes that nobody needs are not read.
"""

from __future__ import annotations

import ast
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["file", "environment", "clock", "chance", "network", "program", "input", "import"]

_NAMES: dict[Kind, str] = {
    "file": """
        builtins.open io.open codecs.open gzip.open bz2.open lzma.open tarfile.open zipfile.ZipFile os.open os.stat
        os.listdir os.scandir os.walk os.path.exists os.path.isfile os.path.isdir os.path.getmtime os.path.getsize
        glob.glob glob.iglob fileinput.input linecache.getline linecache.getlines runpy.run_path pkgutil.get_data
        importlib.resources.open_text importlib.resources.open_binary toml.load joblib.load torch.load numpy.load
        numpy.loadtxt numpy.genfromtxt numpy.fromfile numpy.memmap scipy.io.loadmat h5py.File dynaconf.Dynaconf
        omegaconf.OmegaConf.load dotenv.dotenv_values dotenv.get_key
    """,
    "environment": "os.getenv os.getenvb decouple.config pydantic_settings.BaseSettings pydantic.BaseSettings",
    "clock": """
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today time.time
        time.time_ns time.localtime time.gmtime time.strftime time.ctime pandas.Timestamp.now pandas.Timestamp.today
        pandas.Timestamp.utcnow
    """,
    "chance": "uuid.uuid1 uuid.uuid4 os.urandom secrets.token_hex secrets.token_urlsafe secrets.token_bytes",
    "network": """
        urllib.request.urlopen urllib.request.urlretrieve requests.get requests.post requests.request httpx.get
        httpx.post httpx.request
    """,
    "program": """
        subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.getoutput
        subprocess.getstatusoutput subprocess.Popen os.popen os.system
    """,
    "input": "builtins.input getpass.getpass",
}
_CALLS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}

BUILTINS = frozenset({"open", "input", "__import__"})

SETTINGS = frozenset({"pydantic_settings.BaseSettings", "pydantic.BaseSettings"})
"""Classes of which each instance reads the environment when it is made."""

_VALUES: dict[str, Kind] = {"os.environ": "environment", "os.environb": "environment", "sys.argv": "input"}

_METHODS = frozenset({"read_text", "read_bytes", "iterdir", "glob", "rglob"})
"""Of a path, whatever it is called."""


def called(name: str, node: ast.Call) -> Kind | None:
    """What calling this function of somebody else's reads. `name` is its full name, as `json.load`."""
    head, _, last = name.rpartition(".")
    if last.startswith(("read_", "scan_")) and head.partition(".")[0] in ("pandas", "polars", "geopandas", "pyarrow"):
        return None if _holds_bytes(node) else "file"
    found = _CALLS.get(name)
    if found == "file" and last == "open" and _writes(node, 1):
        return None
    return found


def method(node: ast.Call) -> Kind | None:
    """What calling a method reads, if its name tells, as `.read_text()` does of any object."""
    if not isinstance(node.func, ast.Attribute):
        return None
    name = node.func.attr
    if name == "open" and not _writes(node, 0):
        return "file"
    if name == "read" and node.args:  # `ConfigParser().read("settings.ini")`
        return "file"
    return "file" if name in _METHODS else None


def value(name: str) -> Kind | None:
    """What a name of somebody else's holds that is not from the code."""
    return _VALUES.get(name)


def _writes(node: ast.Call, place: int) -> bool:
    named = next((keyword.value for keyword in node.keywords if keyword.arg == "mode"), None)
    mode = node.args[place] if len(node.args) > place else named
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and not {"r", "+"} & set(mode.value)


def _holds_bytes(node: ast.Call) -> bool:
    """`read_csv(StringIO("a,b"))` reads what is written there."""
    first = node.args[0] if node.args else None
    name = ast.unparse(first.func) if isinstance(first, ast.Call) else ""
    return name.endswith(("StringIO", "BytesIO"))
