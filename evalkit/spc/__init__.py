"""Statistical process control and funnel plots: how a measure varies over time and between units; description only."""

from evalkit.spc.between import Funnel, funnel, spans
from evalkit.spc.charts import Chart, Charts, chart, charts
from evalkit.spc.stretches import LEAST, How

__all__ = ["LEAST", "Chart", "Charts", "Funnel", "How", "chart", "charts", "funnel", "spans"]
