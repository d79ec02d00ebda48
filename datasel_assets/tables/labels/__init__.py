"""Tables of what people say about rows: tasks that go out, answers that came back, what they mean."""
