"Exercises, quizzes, progress, notebooks: the classroom around the chapters."
