"""Virtual UR controller on the real wire protocol, and a virtual wrist camera."""
