"The course's classification metrics as an `evaluate` metric: `evaluate.load(<this folder>)`."
import datasets
import evaluate
import ft_course.evaluation


class CourseMetrics(evaluate.Metric):
    "Accuracy, macro-F1 and balanced accuracy, each from 0 to 1."
    def _info(self):
        kinds = [datasets.Features({"predictions": datasets.Value(kind), "references": datasets.Value(kind)})
                 for kind in ("string", "int64")]
        return evaluate.MetricInfo(description=type(self).__doc__, citation="", features=kinds)

    def _compute(self, predictions, references):
        return {name: ft_course.evaluation.METRICS[name](references, predictions)
                for name in ("accuracy", "macro_f1", "balanced_accuracy")}
