"""Official fixtures as runnable cases, and suites with which third parties test their own plug-ins."""
