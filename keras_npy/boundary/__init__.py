"""Where Keras's inside is met: nothing else imports keras.src or looks at the call stack."""
