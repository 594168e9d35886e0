//! Tests against a real RabbitMQ and a real RT, which `tests/servers/with-servers` starts.
