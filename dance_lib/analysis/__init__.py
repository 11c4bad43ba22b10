"""From predictions and plans to tidy tables, figures and verdicts: what the notebooks call."""
