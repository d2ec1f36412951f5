"""The check of one implementation by every property: cases asked, answers judged, failures made small and written down."""
