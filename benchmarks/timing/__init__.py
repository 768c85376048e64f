"""Who is faster, case by case: contestants in processes of their own, which take turns."""
