"""Statistical process control and funnel plots: how a measure varies, over time and between units."""

from evalkit.spc.between import Funnel, funnel, spans
from evalkit.spc.charts import Chart, Charts, chart, charts
from evalkit.spc.of_case import Varying, attempt
from evalkit.spc.stretches import LEAST, How

__all__ = ["LEAST", "Chart", "Charts", "Funnel", "How", "Varying", "attempt", "chart", "charts", "funnel", "spans"]
