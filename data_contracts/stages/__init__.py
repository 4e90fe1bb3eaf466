"""The checks, stage by stage. Each is one function that takes the state; `checking.STAGES` names those in force."""
