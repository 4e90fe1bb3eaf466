"""The error of a contract that cannot be used."""


class ContractError(ValueError):
    """A contract that is unknown or cannot be used; the message says which, where and what to do."""
