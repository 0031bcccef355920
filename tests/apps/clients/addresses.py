"""Every request comes from another address, so that none is refused for being one too many."""

import itertools

import schemathesis

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(numbers)
    case.headers["X-Forwarded-For"] = f"20.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
