"""The HTTP side of the app: who asks, the routes, and the services behind them."""
