"""Use cases: one public function is one unit of work, committed before it returns; no HTTP here."""
