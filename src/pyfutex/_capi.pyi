from typing import Final

_c_api: Final[object]
