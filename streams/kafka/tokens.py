"""Tokens for the login at a broker: one source for all clients of a process.

A token is asked for again when a fifth of its time is left. Until it has expired, a request that
fails costs nothing but a line in the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock

import msgspec

from streams.kafka.errors import BrokerError, BrokerUnreachableError, TokenUnavailableError

logger = logging.getLogger(__name__)

#: As `sasl.login.refresh.window.factor` of Kafka's own clients.
REFRESH_AT = 0.8
#: A token that expires within this time is of no use: the login itself takes a moment.
_MARGIN_SECONDS = 1.0
_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.5, 10.0


class Token(msgspec.Struct, frozen=True):
    """A token, as a source issues it. Its text is a secret."""

    text: str
    expires_at: float
    """Seconds since 1970."""
    refresh_at: float
    """When to ask for another; seconds since 1970."""
    principal: str = "penstock"
    """Whom it stands for: for logs of the clients only."""

    def __repr__(self) -> str:
        return f"<token of {self.principal}>"


class TokenSource:
    """The current token of one login; thread-safe, and it blocks while a token is fetched."""

    def __init__(
        self,
        fetch: Callable[[], Token],
        *,
        extensions: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Fetch nothing yet.

        Args:
            fetch: returns a new token, or raises a BrokerError; within some seconds.
            extensions: SASL extensions that are sent with each token.
            clock: seconds since 1970.
        """
        self.extensions = extensions or {}
        self._fetch, self._clock = fetch, clock
        self._lock = Lock()
        self._token: Token | None = None
        self._error: BrokerError | None = None
        self._retry_at = 0.0
        self._back_off = _FIRST_BACK_OFF_SECONDS

    @property
    def problem(self) -> str:
        """Why there is no valid token; "" if there is one, or none was asked for."""
        error = self._error
        return "" if error is None or self._valid() is not None else str(error)

    def token(self) -> Token:
        """Return a valid token; fetch one where that is due.

        Raises:
            TokenUnavailableError: there is none now; try again.
            BrokerLoginError: the login is refused.
        """
        with self._lock:
            valid = self._valid()
            if valid is not None and self._clock() < valid.refresh_at:
                return valid
            if not 0 < self._retry_at - self._clock() <= _LAST_BACK_OFF_SECONDS:
                self._renew(valid)
            valid = self._valid()
            if valid is not None:
                return valid
            assert self._error is not None
            raise type(self._error)(*self._error.args)

    def _valid(self) -> Token | None:
        token = self._token
        is_valid = token is not None and token.expires_at - _MARGIN_SECONDS > self._clock()
        return token if is_valid else None

    def _renew(self, valid: Token | None) -> None:
        try:
            self._token = self._fetch()
        except BrokerError as error:
            self._note_failure(error, valid)
            return
        if self._valid() is None:
            expired = TokenUnavailableError("the new login token has already expired")
            self._note_failure(expired, None)
            return
        if self._error is not None:
            logger.warning("there is a new login token again")
        self._error, self._retry_at, self._back_off = None, 0.0, _FIRST_BACK_OFF_SECONDS

    def _note_failure(self, error: BrokerError, valid: Token | None) -> None:
        if valid is not None and self._error is None:
            left = valid.expires_at - self._clock()
            logger.warning("no new login token: %s; the present one expires in %.0f s", error, left)
        elif self._error is None and self._token is not None:
            logger.warning("no login token: %s: waiting for one", error)
        self._error = error
        self._retry_at = self._clock() + self._back_off
        self._back_off = min(2 * self._back_off, _LAST_BACK_OFF_SECONDS)


def await_token(source: TokenSource, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return once there is a token; wait while what issues them does not answer.

    Raises:
        BrokerLoginError: the login is refused.
    """
    is_logged = False
    while True:
        try:
            source.token()
        except BrokerUnreachableError as error:
            if not is_logged:
                logger.warning("no login token: %s: waiting for one", error)
            is_logged = True
            sleep(_FIRST_BACK_OFF_SECONDS)
        else:
            return
