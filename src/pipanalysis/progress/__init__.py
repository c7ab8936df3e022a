"""The trial manager's page: how the study is going and what to chase, without sight of the arm."""
