"Experiments whose tables a chapter shows and whose code it does not."
