"""Weather on the real stack: a local cloud that misbehaves, is killed again and again, and must lose nothing."""
