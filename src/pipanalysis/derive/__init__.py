"""From checked tables to participants, assessments, scores and analysis sets; the arm joins last."""
