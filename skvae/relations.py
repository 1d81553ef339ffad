"""Relations: what columns have to do with one another, for ``VAEDensity(relations=[...])``.

==================  ===============================================================================
Class               Take it for
==================  ===============================================================================
:class:`Function`   a column that follows from another: a number and its name, a city's country
:class:`Sum`        a total of up to three columns, or a difference
:class:`Order`      a number or a time that is never above another: built, then remodelled
:class:`EmptyWhen`  a cell that is missing exactly where another says so
:class:`Refused`    one of these that is not to be kept: ``["auto", Refused(Order("a", "b"))]``
==================  ===============================================================================

Each has ``holds(frame)``: in which rows of a table it holds.
"""

from .table.relations.base import Refused
from .table.relations.empty import EmptyWhen
from .table.relations.function import Function
from .table.relations.order import Order
from .table.relations.sums import Sum

__all__ = ["EmptyWhen", "Function", "Order", "Refused", "Sum"]
