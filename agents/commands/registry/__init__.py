"""`penstock registry`: run a schema registry on this machine, for trying and testing."""

from agents.commands.registry.apicurio import local_registry, registry_program

__all__ = ["local_registry", "registry_program"]
