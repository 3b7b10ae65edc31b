"""Search for hyper-parameters: what may vary is values, how it is searched is Optuna's; neither knows how training goes."""
