"""What a user can put right. Faces show the message without a traceback; everything else is a fault of ours."""


class UserError(Exception):
    """Something that the user can put right: the message says what is wrong, where, and what to do."""
