"""Engines that cells can be made on, one module each. A module is imported when its engine is asked for."""
