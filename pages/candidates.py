"""The candidates page: placeholder until core.export."""


def draw() -> None: ...
