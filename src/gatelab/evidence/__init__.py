"""Stored runs read, selected and analysed; how that is shown is the matter of gatelab.report. No torch here."""
