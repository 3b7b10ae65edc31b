"""How a batch becomes losses: training dynamics."""
