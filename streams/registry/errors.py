"""Errors that say in one line why a schema registry can't be used.

RegistryError                  base class; the message is one line for users
├── RegistrySettingsError      the `registry:` mapping is wrong; a ValueError too
├── RegistryUnreachableError   nothing answers, or not as a registry does: wait for it
├── RegistryLoginError         it refuses the login
├── IncompatibleSchemaError    it refuses a schema that can't read what the ones before it wrote
└── MissingSchemaError         a subject lacks the schema of what a worker writes
"""

from __future__ import annotations


class RegistryError(RuntimeError):
    """A schema registry can't be used. The message says what to do."""


class RegistrySettingsError(RegistryError, ValueError):
    """A setting is of a wrong value, or names a file that can't be read."""


class RegistryUnreachableError(RegistryError):
    """The registry does not answer, or not as a registry does."""


class RegistryLoginError(RegistryError):
    """The registry refuses the login."""


class IncompatibleSchemaError(RegistryError):
    """The registry refuses a schema."""


class MissingSchemaError(RegistryError):
    """A subject lacks the schema of what a worker writes."""
