"""What goes on without anybody asking, and the HTTP client that webhooks are sent with."""
