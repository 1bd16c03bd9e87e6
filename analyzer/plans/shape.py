from analyzer.plans.node import Plan


def shape_of(plan: Plan) -> str:
    return ""
